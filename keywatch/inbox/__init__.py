"""Reads the mail that comes back: bounces, auto-replies, answers of people. It decides nothing and stores nothing."""
