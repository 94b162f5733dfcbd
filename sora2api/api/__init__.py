"""The OpenAI wire format, and only that: views over jobs."""
