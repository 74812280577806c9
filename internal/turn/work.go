package turn

import "crypto/sha256"

// workMiB is how much Work hashes.
const workMiB = 64

// Work is a fixed piece of work for one processor: about 0.08 s on the machine for
// which the shares of the turns were chosen. Its time tells how fast another is.
func Work() [sha256.Size]byte {
	block := make([]byte, 1<<20)
	h := sha256.New()
	for range workMiB {
		for i := range block { // what a program does, beside what a processor has an instruction for
			block[i] = block[i]*31 + byte(i)
		}
		h.Write(block)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
