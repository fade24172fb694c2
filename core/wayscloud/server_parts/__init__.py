"""The API's calls about what belongs to one server: each family its models, its readers and its calls."""
