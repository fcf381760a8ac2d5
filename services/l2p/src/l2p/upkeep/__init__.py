"""What lobbies need though nobody asks: who is gone is told, hosts hand over, empty games pause, idle lobbies close."""
