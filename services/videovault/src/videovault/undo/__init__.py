"""Operations undone: what others changed since stays."""
