"""Where a place on the Sun's disc is at another time, as the Sun turns under it: sunpy's differential rotation."""

import math
from datetime import datetime


def turned(x: float, y: float, then: datetime, now: datetime) -> tuple[float, float]:
    """Helioprojective x, y in arcsec, as seen from the Earth, of what was at x, y then.

    A place that is beyond the limb then, or unknown (NaN), stays where it is.
    """
    # Here, as it takes seconds and few ingests ask for it.
    import astropy.units as u
    from astropy.coordinates import SkyCoord
    from sunpy.coordinates import Helioprojective, RotatedSunFrame, get_earth, sun

    old, new = then.replace(tzinfo=None), now.replace(tzinfo=None)
    if not math.hypot(x, y) < sun.angular_radius(old).to_value(u.arcsec):
        return x, y
    frames = [Helioprojective(obstime=time, observer=get_earth(time)) for time in (old, new)]
    before = SkyCoord(x * u.arcsec, y * u.arcsec, frame=frames[0])
    after = SkyCoord(RotatedSunFrame(base=before, rotated_time=new)).transform_to(frames[1])
    return float(after.Tx.to_value(u.arcsec)), float(after.Ty.to_value(u.arcsec))
