"""The status report: how servers, costs, agents and changes stand now."""
