"""`leaderboard.html`: one self-contained page with sortable tables and charts."""
