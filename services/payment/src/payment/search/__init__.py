"""Finding an order by what an admin has at hand."""
