"""Extensions and reads of servers' ends."""
