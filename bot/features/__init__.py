"""What people can do, a file each."""
