"""Worker processes as the engine sees them: fed in batches, watched, killed when need be."""
