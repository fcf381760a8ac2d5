"""What videos are to a user: favourites and ratings, which nobody else sees."""
