"""Lists of videos: filters, orders, pages, and how often each tag is among what is found."""
