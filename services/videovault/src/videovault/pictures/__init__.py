"""Pictures of films: thumbnails and sprites, made when they are asked for and kept on disk."""
