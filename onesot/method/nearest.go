package method

// Nearest is the valid name with the least Levenshtein distance to name, of equals the first; "" where there is none.
func Nearest(name string, valid []string) string {
	best, least := "", 0
	for _, v := range valid {
		if d := distance(name, v); best == "" || d < least {
			best, least = v, d
		}
	}
	return best
}

// distance counts the characters to insert, delete or replace to get from a to b.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1) // from the characters so far to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i, c := range from {
		corner := row[0]
		row[0] = i + 1
		for j, d := range to {
			replace := corner
			if c != d {
				replace++
			}
			corner = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}
