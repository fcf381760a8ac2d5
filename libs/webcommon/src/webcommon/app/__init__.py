"""The application factory: what every request passes, and how the process starts and stops."""
