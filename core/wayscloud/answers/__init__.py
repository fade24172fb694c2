"""The API's answers as typed values."""
