"""The facts about runs, and where they are kept."""
