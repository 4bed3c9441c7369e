package decode

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// localDate reads a date and time as programs write it in the language of their machine, with the
// parts of the date in any order, and returns its length, 0 for none. Every word must be known:
//
//	2026年11月30日 下午11:04:36             30. November 2026 um 23:04:36
//	11月 30, 2026 11:04:36 午後             30 de nov. de 2026 23:04:36
//	lun. nov. 30 23:04:36 UTC 2026          30.11.2026 klo 23.04.36
func (c clock) localDate(t []byte) (ns int64, n int) {
	t = t[:min(len(t), 100)]
	v := civil{year: -1, local: true}
	named := false // a name or sign says which part a number is
	for i, parts := 0, 0; i < len(t) && parts < 12; parts++ {
		for i < len(t) && (t[i] == ' ' || t[i] == ',') {
			i++
		}
		if i >= len(t) {
			break
		}
		digits := jsonscan.Digits(t[i:min(len(t), i+5)])
		if digits == 0 {
			if v.month > 0 && v.day > 0 {
				if end := v.localClock(t, i); end > 0 {
					return c.localInstant(&v, t, end)
				}
			}
			word := wordAt(t[i:])
			p, ok := dateWords.of(word)
			switch {
			case !ok:
				return 0, 0
			case p > 0 && v.month == 0:
				v.month, named = int(p), true
			case p > 0:
				return 0, 0
			}
			if i += len(word); i < len(t) && (t[i] == '.' || t[i] == ')') {
				i++
			}
			continue
		}
		rest := t[i+digits:]
		mark := wordAt(rest)
		switch {
		case v.month > 0 && v.day > 0 && digits < 3 && (v.year >= 0 || named):
			end := v.localClock(t, i)
			if end > 0 {
				return c.localInstant(&v, t, end)
			}
			return 0, 0
		case digits == 4 && v.year < 0:
			v.year = number(t[i : i+4])
		case digits > 2:
			return 0, 0
		case isSign(mark, "月") || isSign(mark, "월"):
			v.month, named = number(t[i:i+digits]), true
		case isSign(mark, "日") || isSign(mark, "일") || v.day == 0 && (v.year < 0 || v.month > 0):
			v.day = number(t[i : i+digits])
		case v.month == 0 && (v.year >= 0 || v.day > 0) && len(rest) > 0 && rest[0] == '.':
			v.month = number(t[i : i+digits])
		default:
			return 0, 0
		}
		if v.month > 12 || v.day > 31 {
			return 0, 0
		}
		if i += digits; len(rest) > 0 && rest[0] == '.' {
			i++
		} else if size := signSize(mark); size > 0 {
			i += size
		} else if len(rest) > 0 && rest[0] != ' ' && rest[0] != ',' {
			return 0, 0
		}
	}
	return 0, 0
}

// localInstant reads what stands behind the clock of a date, which ends at t[end]: the half of the
// day, the zone, and the year.
func (c clock) localInstant(v *civil, t []byte, end int) (int64, int) {
	end = v.zone(t, end)
	if v.year < 0 {
		end = c.lateYear(v, t, end, true)
	}
	ns, n := c.instant(v, end)
	if n > 0 && v.year < 0 && !c.withinYear(ns) {
		return 0, 0
	}
	return ns, n
}

// localClock reads a clock at t[i] and returns the index behind it, 0 for none: also 23.04.36,
// 23時04分36秒, and the half of the day before it.
func (v *civil) localClock(t []byte, i int) int {
	if i >= len(t) {
		return 0
	}
	if end := v.clock(t, i); end > 0 {
		return end
	}
	start, pm := i, false
	if t[i] >= 0x80 {
		var size int
		if size, pm = halfSign(t[i:]); size == 0 {
			return 0
		}
		for i += size; i < len(t) && t[i] == ' '; {
			i++
		}
	}
	parts := [...]*int{&v.hour, &v.min, &v.sec}
	for k, to := range parts {
		n := jsonscan.Digits(t[min(i, len(t)):min(len(t), i+3)])
		if n != 1 && n != 2 || n == 1 && i+n < len(t) && t[i+n] == '.' {
			if k < 2 {
				return 0
			}
			break
		}
		*to = number(t[i : i+n])
		i += n
		sign := wordAt(t[i:])
		switch {
		case i < len(t) && t[i] == '.' && k < 2 && v.year >= 0 && i+1 < len(t) && t[i+1]-'0' <= 9:
			i++
			continue
		case isSign(sign, clockSigns[k][0]), isSign(sign, clockSigns[k][1]),
			isSign(sign, clockSigns[k][2]):
			i += len(clockSigns[k][0])
			if i < len(t) && t[i] == ' ' && i+1 < len(t) && t[i+1]-'0' <= 9 && k < 2 {
				i++
			}
			continue
		}
		if k == 0 {
			return 0
		}
		break
	}
	if start < i && pm && v.hour < 12 {
		v.hour += 12
	} else if size, _ := halfSign(t[start:]); size > 0 && !pm && v.hour == 12 {
		v.hour = 0
	}
	return i
}

// clockSigns stand behind hours, minutes and seconds in Japanese, Chinese and Korean.
var clockSigns = [3][3]string{{"時", "时", "시"}, {"分", "分", "분"}, {"秒", "秒", "초"}}

// isSign reports whether a word begins with the sign of a part of a date.
func isSign(word []byte, sign string) bool { return bytes.HasPrefix(word, []byte(sign)) }

// signSize is the size of the sign behind a number of a date, 0 for none.
func signSize(word []byte) int {
	for _, sign := range [...]string{"年", "月", "日", "년", "월", "일", "г"} {
		if isSign(word, sign) {
			return len(sign)
		}
	}
	return 0
}

// halfSign reads the half of the day as Japanese, Chinese and Korean have it before the clock.
func halfSign(t []byte) (size int, pm bool) {
	for _, half := range [...]struct {
		sign string
		pm   bool
	}{
		{"下午", true}, {"午後", true}, {"오후", true}, {"上午", false}, {"午前", false}, {"오전", false},
	} {
		if bytes.HasPrefix(t, []byte(half.sign)) {
			return len(half.sign), half.pm
		}
	}
	return 0, false
}

// localHalves are the halves of the day in other languages, behind the clock: true for the second.
// Those in ASCII are words of other meanings, too, and count behind a date in that language only.
var localHalves = map[string]bool{
	"午後": true, "午前": false, "下午": true, "上午": false, "오후": true, "오전": false,
	"ÖS": true, "ÖÖ": false, "EM": true, "FM": false, "ODP": true, "DOP": false,
	"IP": true, "DU": true, "DE": false,
}

// spanishHalf reads "P. M.", whose blank does not break a line, and "AP." of Finnish, at t[j], and
// returns the index behind it, 0 for none.
func (v *civil) spanishHalf(t []byte, j int) int {
	rest, pm := t[j+1:], t[j]|0x20 == 'p'
	if len(rest) > 1 && !pm && rest[0]|0x20 == 'p' && rest[1] == '.' && v.local {
		if v.hour == 12 {
			v.hour = 0
		}
		return j + len("AP.")
	}
	for _, blank := range [...]string{". ", ".\u00a0", ".\u202f"} {
		after, ok := bytes.CutPrefix(rest, []byte(blank))
		if !ok || len(after) < 2 || after[0]|0x20 != 'm' || after[1] != '.' || v.hour > 12 {
			continue
		}
		switch {
		case pm && v.hour < 12:
			v.hour += 12
		case !pm && v.hour == 12:
			v.hour = 0
		}
		return len(t) - len(after) + 2
	}
	return 0
}

// localHalf reads the half of the day in another language at t[j], and returns the index behind
// it, 0 for none.
func (v *civil) localHalf(t []byte, j int) int {
	word := wordAt(t[j:])
	var upper [16]byte
	if len(word) > len(upper) {
		return 0
	}
	for i, c := range word {
		if c-'a' < 26 {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	pm, known := localHalves[string(upper[:len(word)])]
	if !known || word[0] < 0x80 && !v.local || v.hour < 1 || v.hour > 12 {
		return 0
	}
	switch {
	case pm && v.hour < 12:
		v.hour += 12
	case !pm && v.hour == 12:
		v.hour = 0
	}
	if j += len(word); j < len(t) && t[j] == '.' {
		j++
	}
	return j
}

// wordAt returns the letters that a text begins with.
func wordAt(t []byte) []byte {
	i := 0
	if len(t) > 0 && t[0] == '(' {
		i++
	}
	for i < len(t) && (t[i]|0x20-'a' < 26 || t[i] >= 0x80) {
		i++
	}
	return t[:i]
}

// wordSet holds words of dates: the number of a month, or 0.
type wordSet map[string]int8

// of returns what a word is.
func (s wordSet) of(word []byte) (month int8, ok bool) {
	word = bytes.TrimPrefix(word, []byte("("))
	var low [40]byte
	if len(word) == 0 || len(word) > len(low) {
		return 0, false
	}
	for i, c := range word {
		if c-'A' < 26 {
			c |= 0x20
		}
		low[i] = c
	}
	month, ok = s[string(low[:len(word)])]
	return month, ok
}

// dateWords are the words of dates in languages other than English: months by number, and days of
// the week and words between the parts, which are 0.
var dateWords = func() wordSet {
	words := wordSet{}
	add := func(names string, month int8) {
		for _, name := range strings.Fields(names) {
			words[name] = month
			if r, size := utf8.DecodeRuneInString(name); r >= utf8.RuneSelf {
				words[string(unicode.ToUpper(r))+name[size:]] = month
			}
		}
	}
	for name, month := range localMonths {
		words[name] = int8(month)
	}
	for i, names := range [...]string{
		"янв января stycznia ledna leden oca ocak tammi tammik tammikuuta január",
		"февр фев февраля lutego úno února şub şubat helmi helmik helmikuuta február",
		"март марта marca bře března mart maalis maalisk maaliskuuta márc március marts",
		"апр апреля kwietnia dub dubna nis nisan huhti huhtik huhtikuuta ápr április",
		"мая май maja kvě května mayıs touko toukok toukokuuta máj május",
		"июн июня czerwca čvn června haz haziran kesä kesäk kesäkuuta jún június",
		"июл июля lipca čvc července tem temmuz heinä heinäk heinäkuuta júl július",
		"авг августа sierpnia srp srpna ağu ağustos elo elok elokuuta augusztus",
		"сент сен сентября września zář září eyl eylül syys syysk syyskuuta szept szeptember",
		"окт октября października říj října eki ekim loka lokak lokakuuta október",
		"нояб ноя ноября listopada listopadu kas kasım marras marrask marraskuuta",
		"дек декабря grudnia pro prosince ara aralık joulu jouluk joulukuuta",
	} {
		add(names, int8(i+1))
	}
	add("de del um à a kl klo om ob den г o в às at", 0)
	add("mo di mi do fr sa so montag dienstag mittwoch donnerstag freitag samstag sonntag", 0)
	add("lun mar mer jeu ven sam dim lundi mardi mercredi jeudi vendredi samedi dimanche", 0)
	add("mié jue vie sáb dom lunes martes miércoles jueves viernes sábado domingo", 0)
	add("gio sab lunedì martedì mercoledì giovedì venerdì sabato domenica", 0)
	add("seg ter qua qui sex segunda-feira terça-feira quarta-feira quinta-feira sexta-feira", 0)
	add("пн вт ср чт пт сб вс понедельник вторник среда четверг пятница суббота воскресенье", 0)
	add("ma wo vr za zo maandag dinsdag woensdag donderdag vrijdag zaterdag zondag", 0)
	add("mån tis ons tors fre lör sön måndag tisdag onsdag torsdag fredag lördag söndag", 0)
	add("man tir tor lør søn mandag tirsdag lørdag søndag", 0)
	add("pon wt śr czw pt sob niedz poniedziałek wtorek środa czwartek piątek sobota niedziela", 0)
	add("po út st čt pá ne pondělí úterý středa čtvrtek pátek neděle", 0)
	add("pzt sal çar per cum cmt paz pazartesi salı çarşamba perşembe cuma cumartesi pazar", 0)
	add("ti ke to pe la su maanantai tiistai keskiviikko torstai perjantai lauantai sunnuntai", 0)
	add("h k sze cs p szo v hétfő kedd szerda csütörtök péntek szombat vasárnap", 0)
	add("月 火 水 木 金 土 日 月曜日 火曜日 水曜日 木曜日 金曜日 土曜日 日曜日", 0)
	add("周一 周二 周三 周四 周五 周六 周日 星期一 星期二 星期三 星期四 星期五 星期六 星期日", 0)
	add("월 화 수 목 금 토 일 월요일 화요일 수요일 목요일 금요일 토요일 일요일", 0)
	words["mar"] = 3 // of March, not of a Tuesday
	return words
}()

// mayBeLocal is a quick check of whether a text that begins with no digit may begin with a date in
// another language: a number follows its first words, and a clock that.
func mayBeLocal(t []byte) bool {
	colon := bytes.IndexByte(t[:min(len(t), 72)], ':')
	if colon < 8 || t[colon-1]-'0' > 9 {
		return false
	}
	for i, c := range t[:min(len(t), 28)] {
		if c-'0' <= 9 {
			return i > 1 && t[i-1] == ' '
		}
		if c == '=' || c == '"' || c == '/' || c == ':' || c == '[' {
			return false
		}
	}
	return false
}

// mayHaveClock is a quick check of whether a text may have a clock behind a date: one with colons,
// or in a form of other languages.
func mayHaveClock(t []byte) bool {
	t = t[:min(len(t), 72)]
	if i := bytes.IndexByte(t, ':'); i > 0 && i+2 < len(t) && t[i-1]-'0' <= 9 &&
		t[i+1]-'0' <= 9 && t[i+2]-'0' <= 9 {
		return true
	}
	return bytes.Contains(t, []byte(" kl")) || len(t) > 12 && t[2] == '.' && t[5] == '.' ||
		bytes.Contains(t, []byte("分")) || bytes.Contains(t, []byte("분"))
}
