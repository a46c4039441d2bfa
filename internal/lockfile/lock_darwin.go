package lockfile

// setOFD is F_OFD_SETLK of <sys/fcntl.h>, which x/sys does not list for darwin.
const setOFD = 90
