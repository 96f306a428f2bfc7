"""What other places show of a petition: pictures, head tags, paper."""
