"""Grants: approvers let an agent repeat one operation without votes, for a time and a number of uses."""
