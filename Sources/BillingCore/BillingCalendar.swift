/// Calendar days, months and hours in the billing time zone: UTC+8, fixed, without daylight saving.
public enum BillingCalendar {
    public static let offsetMilliseconds: Int64 = 8 * .millisecondsPerHour

    /// The top of the hour at or before `instant`. Hours begin together in UTC and in the billing time zone.
    public static func hour(of instant: Timestamp) -> Timestamp {
        floor(instant, to: .millisecondsPerHour, offset: 0)
    }

    /// The top of the hour at or after `instant`.
    public static func hourAtOrAfter(_ instant: Timestamp) -> Timestamp {
        let start = hour(of: instant)
        return start == instant ? start : start.adding(milliseconds: .millisecondsPerHour)
    }

    /// 00:00 of the billing day that holds `instant`.
    public static func day(of instant: Timestamp) -> Timestamp {
        floor(instant, to: .millisecondsPerDay, offset: offsetMilliseconds)
    }

    /// 00:00 of the first day of the billing month that holds `instant`.
    public static func month(of instant: Timestamp) -> Timestamp {
        let date = date(of: instant)
        return midnight(CivilDate(daysSinceEpoch: date.daysSinceEpoch - Int64(date.day - 1)))
    }

    /// 00:00 of the first day of the billing month after that which holds `instant`.
    public static func monthEnd(of instant: Timestamp) -> Timestamp {
        midnight(date(of: month(of: instant)).adding(months: 1))
    }

    /// When a group is released that was overdue or expired since `instant` and stayed so: 15 x 24 h later (domain 4.4, 5.4).
    public static func releaseAt(since instant: Timestamp) -> Timestamp {
        instant.adding(milliseconds: 15 * .millisecondsPerDay)
    }

    public static func date(of instant: Timestamp) -> CivilDate {
        let local = Int128(instant.milliseconds + offsetMilliseconds)
        return CivilDate(daysSinceEpoch: Rounding.floor.divide(local, by: Int128(Int64.millisecondsPerDay)))
    }

    /// 00:00 of `date` in the billing time zone.
    public static func midnight(_ date: CivilDate) -> Timestamp {
        Timestamp(milliseconds: date.daysSinceEpoch * .millisecondsPerDay - offsetMilliseconds)
    }

    /// The end of a term of `months` whose nominal first day is `date`: 00:00 of the day after the same day `months`
    /// later, clamped to the length of that month (domain 5.2).
    public static func termEnd(nominal date: CivilDate, months: Int) -> Timestamp {
        let same = date.adding(months: months)
        return midnight(CivilDate(daysSinceEpoch: same.daysSinceEpoch + 1))
    }

    /// The end of a term of `months` that starts at `start` (domain 5.2).
    public static func termEnd(start: Timestamp, months: Int) -> Timestamp {
        termEnd(nominal: date(of: start), months: months)
    }

    /// "2026-04-10 15:20:00" in the billing time zone, for people.
    public static func format(_ instant: Timestamp) -> String {
        let text = instant.formatted(offsetMilliseconds: offsetMilliseconds)
        return text.replacing("T", with: " ")
    }

    private static func floor(_ instant: Timestamp, to unit: Int64, offset: Int64) -> Timestamp {
        let units = Rounding.floor.divide(Int128(instant.milliseconds + offset), by: Int128(unit))
        return Timestamp(milliseconds: units * unit - offset)
    }
}

/// A day of the proleptic Gregorian calendar.
public struct CivilDate: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let year: Int
    public let month: Int
    public let day: Int

    /// `nil` unless the day exists.
    public init?(year: Int, month: Int, day: Int) {
        guard (1...12).contains(month), day >= 1, day <= CivilDate.length(year: year, month: month) else { return nil }
        self.init(checkedYear: year, month, day)
    }

    private init(checkedYear year: Int, _ month: Int, _ day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// Days since 1970-01-01, counted in 400-year cycles from 0000-03-01, so that the leap day ends its year.
    public init(daysSinceEpoch days: Int64) {
        let shifted = days + 719_468
        let cycle = Rounding.floor.divide(Int128(shifted), by: 146_097)
        let dayOfCycle = shifted - cycle * 146_097
        let yearOfCycle = (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
        self.init(
            checkedYear: Int(yearOfCycle + cycle * 400) + (month <= 2 ? 1 : 0), month,
            Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1))
    }

    public var daysSinceEpoch: Int64 {
        let shiftedYear = Int64(month <= 2 ? year - 1 : year)
        let cycle = Rounding.floor.divide(Int128(shiftedYear), by: 400)
        let yearOfCycle = shiftedYear - cycle * 400
        let shiftedMonth = Int64(month > 2 ? month - 3 : month + 9)
        let dayOfYear = (153 * shiftedMonth + 2) / 5 + Int64(day - 1)
        let dayOfCycle = yearOfCycle * 365 + yearOfCycle / 4 - yearOfCycle / 100 + dayOfYear
        return cycle * 146_097 + dayOfCycle - 719_468
    }

    /// The same day `months` later, or the last day of that month where it is shorter.
    public func adding(months: Int) -> CivilDate {
        let index = year * 12 + (month - 1) + months
        let (newYear, newMonth) = (index / 12, index % 12 + 1)
        return CivilDate(
            checkedYear: newYear, newMonth, min(day, CivilDate.length(year: newYear, month: newMonth)))
    }

    public static func length(year: Int, month: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    public static func < (left: CivilDate, right: CivilDate) -> Bool {
        (left.year, left.month, left.day) < (right.year, right.month, right.day)
    }

    /// "2026-04-10".
    public var description: String { "\(padded(Int64(year), 4))-\(padded(Int64(month), 2))-\(padded(Int64(day), 2))" }
}
