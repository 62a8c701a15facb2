"""What the whole system does end to end, measured on itself."""
