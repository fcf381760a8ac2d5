"""The files of videos over HTTP: whole, in ranges, and as downloads."""
