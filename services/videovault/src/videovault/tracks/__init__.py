"""The subtitles of videos: files beside them, and embedded ones, as WebVTT."""
