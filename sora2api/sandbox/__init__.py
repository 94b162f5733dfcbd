"""A small engine of our own: a server in the OpenAI shape that renders real pictures and clips."""
