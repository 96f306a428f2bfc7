"""What is asked of an attempt before it counts: rules, limits, a challenge, and signs of fraud."""
