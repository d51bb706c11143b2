"""Bytes in, bytes out. Randomness and time are arguments here; nothing reads a clock or the system's pool."""
