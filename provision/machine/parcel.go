package machine

// ParcelDir is where a machine has the disk mounted that was packed with the
// files it is going to be sent, if it has one. Upload then puts a symbolic link
// in place instead of sending the file.
const ParcelDir = "/usr/local/lib/noriter"

// ParcelList is the name of the file in ParcelDir that lists the others, a line
// for each: mode (octal), SHA-256 (hex) and name, with a space between.
const ParcelList = "contents"
