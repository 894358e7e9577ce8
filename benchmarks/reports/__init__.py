"""Tables and pages from the metrics files of run folders; nothing here computes a metric."""
