package screen_test

import "syscall"

const sigwinch = syscall.SIGWINCH
