module github.com/secretctl/secretctl/test/cluster/tools

go 1.26.0
