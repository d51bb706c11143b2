module openkes.invalid/trials

go 1.22
