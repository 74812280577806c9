package scheduler

func scoreEach(nodes []*nodeInfo, score func(n *nodeInfo) float64) []float64 {
	scores := make([]float64, len(nodes))
	for i, n := range nodes {
		scores[i] = score(n)
	}
	return scores
}

// defaultNormalizeScore scales scores so that the highest becomes maxNodeScore. With
// reverse, fewer is better: the highest becomes 0, and 0 becomes maxNodeScore.
// Without this, a plugin that counts to 1000 outweighs one that counts to 10, whatever
// the weights in the table are. (Upstream's framework/plugins/helper/normalize_score.go.)
func defaultNormalizeScore(scores []float64, reverse bool) []float64 {
	highest := 0.0
	for _, score := range scores {
		highest = max(highest, score)
	}
	for i, score := range scores {
		if highest > 0 {
			scores[i] = maxNodeScore * score / highest
		}
		if reverse {
			scores[i] = maxNodeScore - scores[i]
		}
	}
	return scores
}
