"""One session: who may speak, what the caller and the agent do, and the rows that tell of it."""
