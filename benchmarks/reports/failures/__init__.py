"""Why detectors fail: what they miss together, where each loses, and what they would find if joined."""
