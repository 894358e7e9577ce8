"""The embedded benchmark: small generators, the pictures they make, and what is read from them."""
