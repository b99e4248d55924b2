"""Coverage-guided fuzzing of what turns bytes of cards, files, programs and signatures into values: `make fuzz`, and a replay in the suite."""
