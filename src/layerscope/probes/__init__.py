"""What needs weights or data: each module asks one question of a model and answers with numbers."""
