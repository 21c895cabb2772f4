"""What the command takes and what it says."""
