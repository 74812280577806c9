package fault

import (
	"slices"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// Levels are how hard a surprise may be: from one fault that shows itself where one looks
// first, to two at a time.
const (
	MinLevel = 1
	MaxLevel = 3
)

// pairs are the faults that may be in together: neither hides the other's symptom, undoes
// it, or keeps it from being mended. The first goes in first.
//
//   - What is seen only in a pod that starts (an image, a request) needs a scheduler, the
//     controllers and a runtime that work.
//   - What is seen in a Service's endpoints needs the controllers, and a pod that is ready.
//   - Two faults of one object would be mended as one.
var pairs = [][2]*Fault{
	{selectorBroken, schedulerStopped},
	{targetPortBroken, schedulerStopped},
	{selectorBroken, nodeCut},
	{imageTagBroken, proxyRulesGone},
	{pullSecretMissing, dnsDown},
	{selectorBroken, agentStopped},
	{dnsDown, proxyRulesGone},
	{selectorBroken, forwardingOff},
	{imageTagBroken, forwardingOff},
	{targetPortBroken, agentConfigWrong},
	{selectorBroken, agentConfigWrong},
	{configKeyMissing, registryStopped},
	{nodeSelectorWrong, corefileBroken},
	{quotaExhausted, corefileBroken},
	{requestTooLarge, proxyRulesGone},
	{hostPathMissing, dnsDown},
	{livenessPortWrong, registryStopped},
	{targetPortBroken, nodeCordoned},
	{selectorBroken, nodeTainted},
}

// draw has a seed choose what a surprise is made of: its level, where none is asked for (0),
// and the faults, in the order in which they go in. Level 3 is two of them.
func draw(seed uint64, level int) (int, []*Fault) {
	if level == 0 {
		level = MinLevel + chanceOf(seed, "level").IntN(MaxLevel-MinLevel+1)
	}
	chance := chanceOf(seed, "surprise")
	if level == MaxLevel {
		pair := pairs[chance.IntN(len(pairs))]
		return level, pair[:]
	}
	fit := slices.DeleteFunc(All(), func(f *Fault) bool { return f.Level != level })
	return level, []*Fault{fit[chance.IntN(len(fit))]}
}

// checkLevel returns a UsageError unless a level is one, or 0.
func checkLevel(level int) error {
	if level == 0 || MinLevel <= level && level <= MaxLevel {
		return nil
	}
	return &testbed.UsageError{Err: lang.Errorf("there is no level %d; there are %d to %d", "단계 %d은(는) 없습니다. %d부터 %d까지 있습니다", level, MinLevel, MaxLevel)}
}
