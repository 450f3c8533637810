"""Places in cells: points, GeoJSON and TopoJSON."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, cast

_DEPTHS = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}


def geopoint(text: str, form: str = "default") -> tuple[Decimal, Decimal]:
    """Read a point as longitude and latitude in degrees."""
    try:
        if form == "default":
            longitude, latitude = (part.strip() for part in text.split(","))
        elif form == "array":
            longitude, latitude = cast("list[Any]", json.loads(text))
        else:
            value = json.loads(text)
            if set(value) != {"lon", "lat"}:
                raise ValueError(text)
            longitude, latitude = value["lon"], value["lat"]
        point = Decimal(str(longitude)), Decimal(str(latitude))
        inside = abs(point[0]) <= 180 and abs(point[1]) <= 90
    except (InvalidOperation, TypeError, RecursionError) as error:
        raise ValueError(text) from error
    if not inside:
        raise ValueError(text)
    return point


def geojson(text: str) -> dict[str, Any]:
    """Read a GeoJSON object (RFC 7946)."""
    value = _object(text)
    if not _is_geojson(value):
        raise ValueError(text)
    return value


def topojson(text: str) -> dict[str, Any]:
    """Read a TopoJSON topology, or one geometry of it."""
    value = _object(text)
    if value.get("type") == "Topology":
        good = isinstance(value.get("objects"), dict) and isinstance(value.get("arcs"), list)
    else:
        members = {"GeometryCollection": "geometries", "Point": "coordinates", "MultiPoint": "coordinates"}
        kind = value.get("type")
        good = isinstance(kind, str) and (kind in _DEPTHS or kind in members)
        good = good and isinstance(value.get(members.get(str(kind), "arcs")), list)
    if not good:
        raise ValueError(text)
    return value


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError(text) from error
    if not isinstance(value, dict):
        raise ValueError(text)  # noqa: TRY004  # the caller knows one error for every cell that cannot be read
    return cast("dict[str, Any]", value)


def _is_geojson(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    thing = cast("dict[str, Any]", value)
    kind = thing.get("type")
    if kind == "FeatureCollection":
        return _all(thing.get("features"), kind="Feature")
    if kind == "Feature":
        geometry = thing.get("geometry", 0)
        properties = thing.get("properties", 0)
        return (geometry is None or _is_geometry(geometry)) and (properties is None or isinstance(properties, dict))
    return _is_geometry(thing)


def _is_geometry(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    thing = cast("dict[str, Any]", value)
    kind = thing.get("type")
    if kind == "GeometryCollection":
        parts = thing.get("geometries")
        return isinstance(parts, list) and all(_is_geometry(part) for part in cast("list[Any]", parts))
    return isinstance(kind, str) and kind in _DEPTHS and _is_nested(thing.get("coordinates"), _DEPTHS[kind])


def _is_nested(value: Any, depth: int) -> bool:
    if not isinstance(value, list):
        return False
    parts = cast("list[Any]", value)
    if depth:
        return all(_is_nested(part, depth - 1) for part in parts)
    return len(parts) >= 2 and all(isinstance(part, int | float) for part in parts)


def _all(value: Any, *, kind: str) -> bool:
    if not isinstance(value, list):
        return False
    parts = cast("list[Any]", value)
    return all(isinstance(part, dict) and part.get("type") == kind and _is_geojson(part) for part in parts)  # pyright: ignore[reportUnknownMemberType]  # JSON
