"""Media files: sniffing, keeping, linking, and the picture and clip work on them."""
