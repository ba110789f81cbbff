"""What a migration changes: before against after, side by side."""
