"""paretune: the whole efficient frontier of competing metrics, with few trainings."""
