package cluster

// lookScript takes paths with their kinds, such as "f/run/secret", and describes each. It
// needs only a POSIX shell, and says which tools are missing. Each tool runs once for all
// paths, since starting it takes longest.
//
// Each line is ":KEY VALUE", or belongs to the key before it: a line of base64, which
// has no colon. Names and contents, which others choose, are encoded unless they are plain.
// The first line has the version, and the last one says that nothing is cut off.
const lookScript = lookFunctions + `
look "$@"`

// watchScript looks at one file at once, whenever its digest changes, and every 5 s, so
// that silence means a broken connection. A connection that ends does not end its command,
// but closes its stdin: the script waits for that. It leaves no process behind, since the
// container's first process may not reap orphans.
const watchScript = lookFunctions + `
for tool in sha256sum sleep; do command -v $tool >/dev/null || exit; done
pause=0.25 quarters=1
sleep 0.01 || { pause=1 quarters=4; }
exec 3<&0
{ read -r word <&3; kill $$; } >/dev/null &
trap exit TERM
trap 'kill $!; wait' EXIT
file=/${1#*/} n=0 before=
while [ $n -lt 2400 ]; do
	now=
	[ ! -f "$file" ] || now=$(sha256sum "$file")
	if [ $((n%20)) = 0 ] || [ "$now" != "$before" ]; then look "$@" || exit; fi
	before=$now n=$((n+quarters))
	sleep $pause || exit
done`

const lookFunctions = `export LC_ALL=C
look() {
	echo ':look 1'
	absent=
	for a; do describe "$a"; done
	stats "$@"
	sums "$@"
	echo :end
}
say() {
	case $2 in
	''|*[!A-Za-z0-9._/-]*) echo "$1"; printf %s "$2" | base64;;
	*) echo "$1 $2";;
	esac
}
has() {
	command -v "$1" >/dev/null || { echo ":lacks $1"; return 1; }
}
describe() {
	kind=${1%%/*} f=/${1#*/}
	d=${f%/*} name=${f##*/}
	echo :path
	if [ ! -e "$f" ]; then
		absent=1
		if [ -d "$d" ] && [ ! -x "$d" ]; then echo :error denied; else echo :error absent; fi
		return
	fi
	echo :found
	if [ ! -L "$f" ]; then :
	elif [ "$f" -ef "$d/..data/$name" ]; then say :link "..data/$name"
	else l=$(readlink "$f"); say :link "$l"
	fi
	if [ "$kind" = d ]; then folder
	elif [ ! -f "$f" ]; then echo :error notfile
	elif [ ! -r "$f" ]; then echo :error denied
	elif [ "$kind" = f ] && command -v sha256sum >/dev/null; then echo :hash
	else content
	fi
}
folder() {
	[ -n "$absent" ] || return 0
	[ -d "$f" ] || { echo :error absent; return; }
	cd "$f" || { echo :error denied; return; }
	n=0
	for name in *; do
		if [ -e "$name" ] || [ -L "$name" ]; then say :name "$name"; n=$((n+1)); fi
		[ $n -lt 100 ] || break
	done
}
content() {
	sum=$(sha256sum <"$f")
	sum=${sum%% *}
	case $sum in
	'') ;;
	*) echo ":digest $sum"; [ "c$sum" != "$kind" ] || return 0;;
	esac
	if size=$(wc -c <"$f") && [ "$size" -gt 1048576 ]; then echo :error long; return; fi
	has base64 || return 0
	echo :content
	base64 <"$f" || echo :error failed
}
stats() {
	first=1
	for a; do
		[ -z "$first" ] || set --
		first= f=/${a#*/}
		[ ! -e "$f" ] || set -- "$@" "$f"
	done
	if [ $# -gt 0 ] && has stat; then
		! now=$(date +%s) || say :now "$now"
		stat -L -c ':stat %a %Y' "$@"
	fi
}
sums() {
	first=1
	for a; do
		[ -z "$first" ] || set --
		first= f=/${a#*/}
		case $a in f/*) if [ -f "$f" ] && [ -r "$f" ]; then set -- "$@" "$f"; fi;; esac
	done
	if [ $# -gt 0 ] && command -v sha256sum >/dev/null; then
		sha256sum "$@" | while read -r sum name; do echo ":sum ${sum#\\}"; done
	fi
}`
