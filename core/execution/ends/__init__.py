"""Carries out the ends of servers: reminders, the stop at the end, and what follows of it."""
