"""What happens when a process dies, or loses its database, between any two lines that touch the world."""
