"""What the server says of itself: health, logs."""
