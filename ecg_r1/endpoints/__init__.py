"""Models behind OpenAI-compatible chat routes: asked, kept on disk, and counted."""
