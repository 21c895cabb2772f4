"""Contact sheets that show one region in several modes."""
